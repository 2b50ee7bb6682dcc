"""`kq demo`: the whole of kq in one command."""
