// The sentences of RFC 6455 and RFC 7692 that oblige a server which receives something, word for word. A
// case of severity MUST has one of them. What only the sender is told is no MUST of the receiver: such a
// case is a SHOULD, or a MUST by the validation of §10.7 where the server uses what is invalid.

interface Rule {
  readonly clause: string;
  readonly sentence: string;
}

function rfc6455(section: string, sentence: string): Rule {
  const clause = `RFC 6455 §${section}`;
  return { clause, sentence: `${clause}: ${sentence}` };
}

function rfc7692(section: string, sentence: string): Rule {
  const clause = `RFC 7692 §${section}`;
  return { clause, sentence: `${clause}: ${sentence}` };
}

export const ACCEPT = rfc6455(
  "4.2.2",
  "When a client establishes a WebSocket connection to a server, the server MUST complete the following steps to accept the connection and send the server's opening handshake.",
);
export const VALID_RESPONSE = rfc6455(
  "4.2.2",
  "If the server chooses to accept the incoming connection, it MUST reply with a valid HTTP response indicating the following.",
);
export const NO_MATCH = rfc6455(
  "4.2.1",
  "If the server, while reading the handshake, finds that the client did not send a handshake that matches the description below (note that as per [RFC2616], the order of the header fields is not important), including but not limited to any violations of the ABNF grammar specified for the components of the handshake, the server MUST stop processing the client's handshake and return an HTTP response with an appropriate error code (such as 400 Bad Request).",
);
export const VERSION = rfc6455(
  "4.4",
  "If the server doesn't support the requested version, it MUST respond with a |Sec-WebSocket-Version| header field (or multiple |Sec-WebSocket-Version| header fields) containing all versions it is willing to use.",
);
export const SUBPROTOCOL = rfc6455(
  "4.2.2",
  "The value chosen MUST be derived from the client's handshake, specifically by selecting one of the values from the |Sec-WebSocket-Protocol| field that the server is willing to use for this connection (if any).",
);
export const EXTENSION_GRAMMAR = rfc6455(
  "9.1",
  "If a value is received by either the client or the server during negotiation that does not conform to the ABNF below, the recipient of such malformed data MUST immediately _Fail the WebSocket Connection_.",
);
export const EXTENSION_NOT_REQUESTED = rfc6455(
  "9",
  "A server MUST NOT respond with any extension not requested by the client.",
);
export const PARSE = rfc6455(
  "6.2",
  "Incoming data MUST be parsed as WebSocket frames as defined in Section 5.2.",
);
export const NEXT_MESSAGE = rfc6455(
  "6.2",
  "Subsequent data frames MUST be interpreted as belonging to a new WebSocket message.",
);
export const CONTROL_FRAME = rfc6455(
  "6.2",
  "If a control frame (Section 5.5) is received, the frame MUST be handled as defined by Section 5.5.",
);
export const UNMASK = rfc6455(
  "6.2",
  "A server MUST remove masking for data frames received from a client as described in Section 5.3.",
);
export const RESERVED_BIT = rfc6455(
  "5.2",
  "If a nonzero value is received and none of the negotiated extensions defines the meaning of such a nonzero value, the receiving endpoint MUST _Fail the WebSocket Connection_.",
);
export const OWN_RESERVED_BIT = rfc6455(
  "5.2",
  "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values.",
);
export const UNKNOWN_OPCODE = rfc6455(
  "5.2",
  "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_.",
);
export const SHORTEST_LENGTH = rfc6455(
  "5.2",
  "Note that in all cases, the minimal number of bytes MUST be used to encode the length, for example, the length of a 124-byte-long string can't be encoded as the sequence 126, 0, 124.",
);
export const NOT_MASKED = rfc6455(
  "5.1",
  "The server MUST close the connection upon receiving a frame that is not masked.",
);
export const NEVER_MASKS = rfc6455(
  "5.1",
  "A server MUST NOT mask any frames that it sends to the client.",
);
export const FRAGMENTS = rfc6455(
  "5.4",
  "Clients and servers MUST support receiving both fragmented and unfragmented messages.",
);
export const CONTROL_INSIDE = rfc6455(
  "5.4",
  "An endpoint MUST be capable of handling control frames in the middle of a fragmented message.",
);
export const OWN_CONTROL_FRAME = rfc6455(
  "5.5",
  "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented.",
);
export const PONG_ANSWERS = rfc6455(
  "5.5.2",
  "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it already received a Close frame.",
);
export const CLOSE_ANSWERS = rfc6455(
  "5.5.1",
  "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST send a Close frame in response.",
);
export const OWN_CLOSE_BODY = rfc6455(
  "5.5.1",
  "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer (in network byte order) representing a status code with value /code/ defined in Section 7.4.",
);
export const CLOSES_AT_ONCE = rfc6455(
  "5.5.1",
  "The server MUST close the underlying TCP connection immediately; the client SHOULD wait for the server to close the connection but MAY close the connection at any time after sending and receiving a Close message, e.g., if it has not received a TCP Close from the server in a reasonable time period.",
);
export const NOTHING_AFTER_FAILURE = rfc6455(
  "7.1.7",
  "An endpoint MUST NOT continue to attempt to process data (including a responding Close frame) from the remote endpoint after being instructed to _Fail the WebSocket Connection_.",
);
export const UTF8 = rfc6455(
  "8.1",
  "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_.",
);
export const VALIDATE = rfc6455(
  "10.7",
  "Incoming data MUST always be validated by both clients and servers.",
);

export const AGREED_PARAMETERS = rfc7692(
  "5",
  'If a server responds with a valid PMCE element in the "Sec-WebSocket-Extensions" header and _the WebSocket Connection is established_, both endpoints MUST use the algorithm described in Section 6 and the message payload transformation (compressing and decompressing) procedure of the PMCE configured with the "agreed parameters" returned by the server to exchange messages.',
);
export const DECLINE = rfc7692(
  "7",
  "A server MUST decline an extension negotiation offer for this extension if any of the following conditions are met:",
);
export const CLIENT_BITS_NOT_OFFERED = rfc7692(
  "7.1.2.2",
  'If a received extension negotiation offer doesn\'t have the "client_max_window_bits" extension parameter, the corresponding extension negotiation response to the offer MUST NOT include the "client_max_window_bits" extension parameter.',
);
export const SEND_COMPRESSED = rfc7692(
  "6.1",
  "An endpoint MUST use the following algorithm to send a message in the form of a compressed message.",
);
export const COMPRESSED_BIT = rfc7692(
  "6.1",
  "An endpoint receiving such a frame MUST _Fail the WebSocket Connection_.",
);
export const RECEIVE_COMPRESSED = rfc7692(
  "6.2",
  "An endpoint MUST use the following algorithm to receive a message in the form of a compressed message.",
);
export const RECEIVE_UNCOMPRESSED = rfc7692(
  "6.2",
  "An endpoint MUST use the following algorithm to receive a message in the form of an uncompressed message.",
);
export const SERVER_NO_TAKEOVER = rfc7692(
  "7.2.1",
  'If the "agreed parameters" contain the "server_no_context_takeover" extension parameter, the server MUST start compressing each new message with an empty LZ77 sliding window.',
);
export const WINDOW_OF_LAST = rfc7692(
  "7.2.2",
  "Otherwise, the server MUST decompress each new message using the LZ77 sliding window used to process the last compressed message.",
);
