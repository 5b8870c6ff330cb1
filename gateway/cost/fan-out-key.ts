/**
 * Identifies a measured number of objects: that of a field by its coordinate, or that of a connection's list by the coordinate
 * of the field that returns the connection and the length that its arguments state.
 */
export const fanOutKey = (coordinate: string, stated?: number): string =>
  stated === undefined ? coordinate : `${coordinate} ${stated}`;
