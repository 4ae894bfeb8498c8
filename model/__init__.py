"""Arrays in, arrays out: features, networks, training. numpy and torch only; no files, no Prefect, no MLflow."""
