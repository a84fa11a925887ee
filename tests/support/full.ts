// Simulates a full disk.

/** A device on which every write fails with ENOSPC. */
export const FULL = "/dev/full";
