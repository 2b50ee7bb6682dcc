"""`kq bench`: how fast records go in and out, from here."""
