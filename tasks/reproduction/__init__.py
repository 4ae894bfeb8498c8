"""The paper's tables on whatever footage there is: what is trained for them, how it is judged, what is written."""
