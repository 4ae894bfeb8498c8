"""What things are: records, table layouts, settings, policy, reasons, errors. No torch, no Prefect, no media."""
