<?php
// Calls a SOAP service as PHP's own client does. Arguments and output are those of test/helpers/soap_client.py.

[, $wsdl, $calls] = $argv;

$client = new SoapClient($wsdl, [
    'cache_wsdl' => WSDL_CACHE_NONE,
    'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
    'exceptions' => true,
]);
$session = null;

function resolve($value)
{
    global $session;
    if ($value === '$session') return $session;
    if (!is_array($value)) return $value;
    if (isset($value['$any'])) return new SoapVar($value['$any'], XSD_STRING);
    return array_map('resolve', $value);
}

$outcomes = [];
foreach (json_decode($calls, true, flags: JSON_THROW_ON_ERROR) as [$operation, $arguments]) {
    try {
        $result = $client->$operation(resolve($arguments))->result;
        if ($operation === 'login') $session = $result;
        // An array comes as an object that holds it.
        if (is_object($result)) $result = $result->complexObjectArray ?? [];
        $outcomes[] = ['result' => $result];
    } catch (SoapFault $fault) {
        $outcomes[] = ['fault' => (string) $fault->faultcode, 'message' => $fault->getMessage()];
    }
}
echo json_encode($outcomes, JSON_THROW_ON_ERROR);
