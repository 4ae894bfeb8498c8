"""Labels of people on clips: files of them, draws to label, the page to label on, and scores of a policy."""
