"""`kq wait`: until groups and topics are as they should be, for scripts and CI."""
