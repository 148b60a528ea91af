"""From feature rows to an evaluated, registered model. Never imports serving, nor does serving import this.

The sub-rooms from the top: ``runs``, then ``evaluation``, then ``fitting`` beside ``promotion``, then ``datasets``.
"""
