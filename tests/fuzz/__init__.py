"""`make fuzz`: untrusted inputs, damaged at random, put through the functions that read them."""
