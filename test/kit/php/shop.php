<?php
// A shop made with PHP's own SoapServer, as the real one is, and nothing of this product's code. It serves the WSDL
// that SHOP_WSDL names and keeps its sessions and stock in the folder SHOP_STATE. Run it with `php -S host:port shop.php`.

ini_set('soap.wsdl_cache_enabled', '0');

$wsdl = getenv('SHOP_WSDL');
$state = getenv('SHOP_STATE');
$location = 'http://' . $_SERVER['HTTP_HOST'] . '/api/v2_soap/';

if (isset($_GET['wsdl'])) {
    header('Content-Type: text/xml; charset=utf-8');
    echo preg_replace('/(<soap:address location=")[^"]*/', '${1}' . $location, file_get_contents($wsdl));
    return;
}

class Shop
{
    private const GOODS = ['OABR-S' => [7, '64.0000'], 'OABR-M' => [8, '-3.0000'], 'Å & <1>' => [9, '0.0000']];

    public function __construct(private string $state) {}

    public function login($request)
    {
        if ($request->username !== 'user' || $request->apiKey !== 'key') throw new SoapFault('2', 'Access denied.');
        $session = bin2hex(random_bytes(16));
        touch("$this->state/session-$session");
        return ['result' => $session];
    }

    public function endSession($request)
    {
        return ['result' => @unlink("$this->state/session-$request->sessionId")];
    }

    public function catalogInventoryStockItemList($request)
    {
        $this->authorise($request);
        $found = [];
        foreach (self::GOODS as $sku => [$id, $qty]) {
            if (!in_array($sku, (array) ($request->productIds->complexObjectArray ?? []), true)) continue;
            $qty = is_file("$this->state/qty-$id") ? file_get_contents("$this->state/qty-$id") : $qty;
            $found[] = [
                'product_id' => (string) $id, 'sku' => $sku, 'qty' => $qty, 'is_in_stock' => $qty == 0 ? '0' : '1',
            ];
        }
        return ['result' => ['complexObjectArray' => array_reverse($found)]];
    }

    public function catalogInventoryStockItemUpdate($request)
    {
        $this->authorise($request);
        if (!isset(self::GOODS[$request->productId])) throw new SoapFault('101', 'Product not exists.');
        if (isset($request->data->qty)) {
            file_put_contents("$this->state/qty-" . self::GOODS[$request->productId][0], $request->data->qty);
        }
        return ['result' => 1];
    }

    private function authorise($request): void
    {
        if (!is_file("$this->state/session-$request->sessionId")) {
            throw new SoapFault('5', 'Session expired. Try to relogin.');
        }
    }
}

$server = new SoapServer($wsdl, ['uri' => 'urn:OpenMage']);
$server->setObject(new Shop($state));
$server->handle();
