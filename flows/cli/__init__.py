"""Commands. Heavy libraries are imported inside of them."""
