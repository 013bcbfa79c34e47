"""What can be made again, and would take a while: the person's cache folder, and the activations kept in it. No framework.

folder.py    where it is, what lies in it, what leaves when it is full
store.py     activations of one frozen part at one boundary: rows by key, memory-mapped
"""
