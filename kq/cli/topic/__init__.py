"""`kq topic`: list, describe, offsets, create, alter, delete, trim."""
