"""Which cluster and how: profiles, project files, the layers of settings; and `kq profile`, which shows them."""
