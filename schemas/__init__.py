"""Records, table layouts, settings, policy, reasons and errors. No torch, no Prefect, no media."""
