"""The sample market of a training installation: people, devices in every state, lots and orders, made by using it.

`plan` says what there shall be, `play` makes it step by step through the journey, `drives` makes the disk images and
`station` has the real wipe agent wipe and certify them over the market's own API. Steps before a wipe are dated back by
days; a wipe and all that follows from it carry the time at which they happened.
"""
