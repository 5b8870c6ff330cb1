/**
 * Identifies a measured number of objects: that of a field by its coordinate, or that of a connection's list by the coordinate
 * of the field that returns the connection and what its arguments state: the length, and whether it is only part of the list.
 */
export const fanOutKey = (coordinate: string, stated?: number, isPartial = false): string =>
  `${coordinate}${stated === undefined ? '' : ` ${stated}`}${isPartial ? ' partial' : ''}`;
