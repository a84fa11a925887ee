// Combines the type parameters of the public classes into one type parameter for internal use.

/** The event maps of a server, and the type of `socket.data`. */
export interface EventMaps<
  ListenEvents = unknown,
  EmitEvents = unknown,
  ServerSideEvents = unknown,
  SocketData = unknown,
> {
  /** The events that clients emit. */
  readonly listen: ListenEvents;
  /** The events that the server emits. */
  readonly emit: EmitEvents;
  /** The events that servers emit to each other. */
  readonly serverSide: ServerSideEvents;
  /** The type of `socket.data`. */
  readonly data: SocketData;
}
