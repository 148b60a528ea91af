"""Engines, transactions, column types and inserts that mean the same on MySQL 8, MariaDB and SQLite.

No table of a room is declared here. The rooms open a database with ``engines``, read and write through
``transactions``, and declare their tables with ``schema``.
"""
