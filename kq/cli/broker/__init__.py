"""`kq broker`: a broker on this machine: started, found, stopped."""
