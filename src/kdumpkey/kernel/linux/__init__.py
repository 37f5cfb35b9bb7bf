"""Linux's own interface: configfs, kexec_file_load, and the record of what was loaded."""
