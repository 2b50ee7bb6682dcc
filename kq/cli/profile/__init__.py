"""Which cluster and how: profiles, project files and the layers of settings; and `kq profile`, which shows and edits them."""
