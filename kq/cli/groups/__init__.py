"""`kq groups`: who reads, how far behind, what happened to them; and groups or their commits deleted."""
