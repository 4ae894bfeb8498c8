"""Systems that paint a speaking face, side by side: what each is given, what it makes of it, and how they differ."""
