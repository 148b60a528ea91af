"""One plain function per kind of work. What Prefect calls on a schedule and what a command calls is the same function.

Each opens what it needs, calls one function of a lower room and returns its report; settings and the present moment
are arguments. Prefect, typer, terminals and clocks may not enter. Import a function from its own module.
"""
