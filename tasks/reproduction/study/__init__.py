"""The rating study: a page that raters judge videos on, and what their answers say."""
