"""Definitions of mel columns, frames and landmarks, shared by networks and stores."""
