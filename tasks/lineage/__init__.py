"""Taking footage down: finding all of it, erasing it, and keeping it from coming back."""
