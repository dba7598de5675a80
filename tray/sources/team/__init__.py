"""The sessions of other trays, through an MQTT broker."""
