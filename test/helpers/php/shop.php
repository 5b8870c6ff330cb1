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
    // Of the last four, the first has for its SKU the id of another product.
    private const GOODS = [
        [7, 'OABR-S', '64.0000'],
        [8, 'OABR-M', '-3.0000'],
        [9, 'Å & <1>', '0.0000'],
        [10, '7', '1.0000'],
        [11, '<![CDATA[8]]>', '2.0000'],
        [12, ' 10% of_A, B ', '3.0000'],
        [13, '0008', '4.0000'],
    ];

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
        $wanted = [];
        foreach ((array) ($request->productIds->complexObjectArray ?? []) as $text) {
            // MySQL compares an id with a text as numbers, and reads as much of the text as is one.
            $wanted[] = $this->idBySku($text) ?? (float) $text;
        }
        $found = [];
        foreach (self::GOODS as [$id, $sku, $qty]) {
            if (!in_array($id, $wanted)) continue;
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
        // What is no SKU is cast to the id column's type, as the real shop does.
        $id = $this->idBySku($request->productId) ?? (int) $request->productId;
        if (!in_array($id, array_column(self::GOODS, 0))) throw new SoapFault('101', 'Product not exists.');
        if (isset($request->data->qty)) file_put_contents("$this->state/qty-$id", $request->data->qty);
        return ['result' => true];
    }

    /** As the real shop's database compares SKUs: without regard to case and to spaces at the end. */
    private function idBySku(string $text): ?int
    {
        foreach (self::GOODS as [$id, $sku]) {
            if (strcasecmp(rtrim($sku, ' '), rtrim($text, ' ')) === 0) return $id;
        }
        return null;
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
