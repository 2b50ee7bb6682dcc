"""The rim of the server: sockets, time, threads. What decides is in `machines`, what stores is in `engine`."""
