import { type Fields, NAMESPACE, OPERATIONS, TYPES } from './contract.ts';

const element = ([name, type]: [string, string]): string => {
  const occurs = type.endsWith('[]')
    ? ' minOccurs="0" maxOccurs="unbounded"'
    : type.endsWith('?')
      ? ' minOccurs="0"'
      : '';
  return `<xsd:element name="${name}" type="${type.replace(/(\[\]|\?)$/, '')}"${occurs}/>`;
};

const sequence = (fields: Fields): string =>
  `<xsd:sequence>${Object.entries(fields).map(element).join('')}</xsd:sequence>`;

/** Creates the contract as a WSDL 1.1 document (document/literal) with the endpoint `location`. */
export const createWsdl = (location: string): string => {
  const operations = Object.entries(OPERATIONS);
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<wsdl:definitions name="OpenMage" targetNamespace="${NAMESPACE}" xmlns:tns="${NAMESPACE}"`,
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"',
    ' xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/">',
    `<wsdl:types><xsd:schema targetNamespace="${NAMESPACE}">`,
    ...Object.entries(TYPES).map(
      ([name, fields]) => `<xsd:complexType name="${name}">${sequence(fields)}</xsd:complexType>`,
    ),
    ...operations.flatMap(([name, { request, input, output }]) => [
      `<xsd:element name="${request}Param"><xsd:complexType>${sequence(input)}</xsd:complexType></xsd:element>`,
      `<xsd:element name="${name}ResponseParam"><xsd:complexType>${sequence({ result: output })}</xsd:complexType></xsd:element>`,
    ]),
    '</xsd:schema></wsdl:types>',
    ...operations.flatMap(([name, { request }]) => [
      `<wsdl:message name="${request}"><wsdl:part name="parameters" element="tns:${request}Param"/></wsdl:message>`,
      `<wsdl:message name="${name}Response"><wsdl:part name="parameters" element="tns:${name}ResponseParam"/></wsdl:message>`,
    ]),
    '<wsdl:portType name="HandlerPortType">',
    ...operations.map(
      ([name, { request }]) =>
        `<wsdl:operation name="${name}"><wsdl:input message="tns:${request}"/><wsdl:output message="tns:${name}Response"/></wsdl:operation>`,
    ),
    '</wsdl:portType><wsdl:binding name="HandlerBinding" type="tns:HandlerPortType">',
    '<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>',
    ...operations.map(
      ([name]) =>
        `<wsdl:operation name="${name}"><soap:operation soapAction=""/><wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation>`,
    ),
    '</wsdl:binding><wsdl:service name="OpenMageService"><wsdl:port name="HandlerPort" binding="tns:HandlerBinding">',
    `<soap:address location="${location}"/></wsdl:port></wsdl:service></wsdl:definitions>`,
  ];
  return lines.join('\n');
};
