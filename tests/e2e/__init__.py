"""Do real mail clients and real servers work through the proxy?"""
