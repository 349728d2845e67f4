"""The doors people and programs use; each is generated from the acts and runs nothing but `Kernel.perform`."""
