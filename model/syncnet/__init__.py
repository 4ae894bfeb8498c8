"""A sync score in landmark space: do these lips move at the time of this speech?"""
