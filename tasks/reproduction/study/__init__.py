"""The rating study: a page on which raters grade videos, and the scores from their answers."""
