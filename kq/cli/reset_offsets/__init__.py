"""`kq reset-offsets`: where a group reads on. A plan first, then the commits, and the way back."""
