"""Running the market: backup, restore and the doctor. Beside the terminal; `ewaste.cli` calls it.

A backup is a folder that is there whole or not at all. Nothing here changes the market but `restore`, and that refuses
to touch one that is not empty unless it is told to.
"""
