"""Where kernels run: threads on one machine."""
