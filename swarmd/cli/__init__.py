"""The command line: `swarmd` speaks Docker's HTTP API and prints what the docker CLI prints.

    main        the table of commands, imported lazily, and the one place for failures
    command     click with pflag's rules: flags with values, exit codes 125 and 1
    client      HTTP/1.1 over a unix or TCP socket; plain JSON in and out

    node · service · service_create · service_logs · stack · stack_deploy · swarm · swarm_ca ·
    daemon      a module for each noun, or for a verb that has much to say

Pure, and told as tables in the tests:

    parse parse_port parse_mount    values of flags to values of the API
    service_flags service_spec service_update    flags to specs
    progress    snapshot of a service → lines and a verdict    (wait: the loop around it)
    output      tables, natural order, ages and sizes
    template template_values listing    Go's templates, --format and -q
    go_types go_values    what the templates of `inspect` see: the API's JSON as Go's types
    tasks inspecting pretty pretty_templates    what several nouns print alike
    registry swarm_flags    digests and credentials · flags that the swarm commands share

This package handles the API's JSON as plain dicts.  It never imports asyncio, aiohttp, msgspec or
the docker SDK on a command's way: a command has cost its user nothing but waiting until it has
done its first call.
"""
