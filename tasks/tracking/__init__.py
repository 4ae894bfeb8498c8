"""Runs and models in MLflow, which nothing else imports. It loads slowly: import these modules where they are used."""
