"""`kq cluster`: the cluster as a whole."""
