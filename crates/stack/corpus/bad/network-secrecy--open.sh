# stack/networks.sh
#!/usr/bin/env bash
# The networks of the good project.
make livehouse_edge 10.90.1.0/24 encrypted open
make livehouse_bus 10.90.2.0/24 encrypted open
make livehouse_data 10.90.3.0/24 encrypted internal
