"""Attribution: touches, the paths they make, and what is counted of the paths. Pure functions over arrays."""
