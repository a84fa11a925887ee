// A full disk.

/** A device that has no space left. */
export const FULL = "/dev/full";
