"""Schema changes of the service's own database: dated, small and reversible; README.md says how to write one.

Imports the rooms' tables, for `dbsbm db check` and backups; a revision under versions/ imports no code of this project.
Revisions 016 to 023 continue the bot's numbering; later ones are named by date.
"""
