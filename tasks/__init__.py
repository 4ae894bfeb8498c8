"""Work: plain parts in folders, and thin Prefect tasks over them in steps/."""
