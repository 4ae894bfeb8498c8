"""`make fuzz`: what strangers may hand in, damaged by chance, put through the functions that take it."""
