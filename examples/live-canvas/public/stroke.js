// Encodes strokes as bytes, and paints them.
//
//   kind (1), colour (1), width (2), number of points (2), id (16), and for each point x (2) and y (2), in bytes

const HEADER = 22;
/** The width and the height of the sheet in the units of x and y, whatever its size on the screen is. */
export const SHEET = 0xffff;

/** Creates a stroke with a new id. */
export function encode({ colour, width, points }) {
  const view = new DataView(new ArrayBuffer(HEADER + points.length * 2));
  view.setUint8(0, 1);
  view.setUint8(1, colour);
  view.setUint16(2, width);
  view.setUint16(4, points.length / 2);
  crypto.getRandomValues(new Uint8Array(view.buffer, 6, 16));
  for (const [i, value] of points.entries()) view.setUint16(HEADER + i * 2, value);
  return view.buffer;
}

/** Decodes all strokes in a buffer, one after the other. */
export function* decode(buffer) {
  const view = new DataView(buffer);
  for (let at = 0; at < view.byteLength; ) {
    const bytes = Array.from(new Uint8Array(buffer, at + 6, 16));
    const id = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const length = view.getUint16(at + 4) * 2;
    const points = Array.from({ length }, (_, i) => view.getUint16(at + HEADER + i * 2));
    yield { id, colour: view.getUint8(at + 1), width: view.getUint16(at + 2), points };
    at += HEADER + length * 2;
  }
}

export function trace(context, { colour, width, points }, colours) {
  const across = context.canvas.width / SHEET;
  const down = context.canvas.height / SHEET;
  const at = (i) => [points[i] * across, points[i + 1] * down];
  context.strokeStyle = colours[colour];
  context.lineWidth = Math.max(1, width * across);
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...at(0));
  // Each curve ends in the middle between two points, so that the line has no corners.
  for (let i = 2; i < points.length - 2; i += 2) {
    const [x, y] = at(i);
    const [nextX, nextY] = at(i + 2);
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  context.lineTo(...at(points.length - 2));
  context.stroke();
}
