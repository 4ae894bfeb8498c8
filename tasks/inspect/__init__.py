"""What a workspace has to say: its state, its files and clips, why they ended where they did, what is wrong."""
