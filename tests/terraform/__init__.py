"""Does terraform/ hold what the providers accept, and does it make what it says?"""
