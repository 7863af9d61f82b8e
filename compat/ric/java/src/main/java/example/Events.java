package example;

import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyRequestEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayProxyResponseEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayV2HTTPEvent;
import com.amazonaws.services.lambda.runtime.events.CognitoUserPoolPreSignUpEvent;
import com.amazonaws.services.lambda.runtime.events.DynamodbEvent;
import com.amazonaws.services.lambda.runtime.events.KinesisEvent;
import com.amazonaws.services.lambda.runtime.events.S3Event;
import com.amazonaws.services.lambda.runtime.events.SNSEvent;
import com.amazonaws.services.lambda.runtime.events.SQSBatchResponse;
import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.amazonaws.services.lambda.runtime.events.ScheduledEvent;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Handlers of AWS's event classes, which tell what they got of it. */
public class Events {
    public APIGatewayProxyResponseEvent rest(APIGatewayProxyRequestEvent e) {
        return new APIGatewayProxyResponseEvent().withStatusCode(201).withBody(e.getHttpMethod() + " " + e.getPath() + " " + e.getBody())
            .withHeaders(e.getHeaders()).withIsBase64Encoded(e.getIsBase64Encoded())
            .withMultiValueHeaders(Collections.singletonMap("who", Arrays.asList(e.getRequestContext().getIdentity().getSourceIp(), e.getRequestContext().getStage())));
    }

    public String http(APIGatewayV2HTTPEvent e) {
        return e.getVersion() + " " + e.getRawPath() + " " + e.getRequestContext().getHttp().getMethod() + " " + e.getCookies() + " " + e.getIsBase64Encoded();
    }

    public SQSBatchResponse queue(SQSEvent e) {
        SQSEvent.SQSMessage m = e.getRecords().get(0);
        return new SQSBatchResponse(Arrays.asList(new SQSBatchResponse.BatchItemFailure(m.getMessageId() + " " + m.getBody() + " " + m.getEventSourceArn()
            + " " + m.getMessageAttributes().get("a").getStringValue() + " " + m.getAttributes().get("SentTimestamp"))));
    }

    public String topic(SNSEvent e) {
        SNSEvent.SNS s = e.getRecords().get(0).getSNS();
        return s.getMessage() + " " + s.getTopicArn() + " " + s.getTimestamp().getMillis() + " " + s.getMessageAttributes().get("a").getValue();
    }

    public String bucket(S3Event e) {
        var r = e.getRecords().get(0);
        return r.getEventName() + " " + r.getS3().getBucket().getName() + " " + r.getS3().getObject().getKey() + " " + r.getS3().getObject().getSizeAsLong()
            + " " + r.getEventTime().getMillis() + " " + r.getUserIdentity().getPrincipalId() + " " + r.getResponseElements().getxAmzId2() + " " + r.getS3().getObject().getUrlDecodedKey();
    }

    public String table(DynamodbEvent e) {
        var r = e.getRecords().get(0);
        var image = r.getDynamodb().getNewImage();
        return r.getEventName() + " " + r.getEventSourceARN() + " " + r.getDynamodb().getKeys().get("id").getS() + " " + image.get("n").getN()
            + " " + image.get("m").getM().get("x").getBOOL() + " " + image.get("l").getL().get(0).getNULL() + " " + image.get("ss").getSS()
            + " " + StandardCharsets.UTF_8.decode(image.get("b").getB()) + " " + r.getDynamodb().getApproximateCreationDateTime().getTime() + " " + r.getDynamodb().getStreamViewType();
    }

    public String stream(KinesisEvent e) {
        var r = e.getRecords().get(0);
        return r.getEventID() + " " + StandardCharsets.UTF_8.decode(r.getKinesis().getData()) + " " + r.getKinesis().getApproximateArrivalTimestamp().getTime() + " " + r.getEventSourceARN();
    }

    public String rule(ScheduledEvent e) {
        return e.getDetailType() + " " + e.getDetail().get("k") + " " + e.getTime().getMillis() + " " + e.getResources();
    }

    public CognitoUserPoolPreSignUpEvent signUp(CognitoUserPoolPreSignUpEvent e) {
        e.setResponse(CognitoUserPoolPreSignUpEvent.Response.builder().withAutoConfirmUser(true).build());
        return e;
    }

    /** A bean of all that beans can hold. */
    public static class All {
        private String text;
        private int small;
        private Long large;
        private double fraction;
        private boolean flag;
        private Boolean maybe;
        private List<Map<String, Integer>> nested;
        private String[] words;
        private byte[] bytes;
        private Date date;
        private LocalDate day;
        private String aName;
        private char letter;
        private Object any;
        public float open;
        private String hidden = "hidden";

        public String getText() { return text; }
        public void setText(String v) { text = v; }
        public int getSmall() { return small; }
        public void setSmall(int v) { small = v; }
        public Long getLarge() { return large; }
        public void setLarge(Long v) { large = v; }
        public double getFraction() { return fraction; }
        public void setFraction(double v) { fraction = v; }
        public boolean isFlag() { return flag; }
        public void setFlag(boolean v) { flag = v; }
        public Boolean getMaybe() { return maybe; }
        public void setMaybe(Boolean v) { maybe = v; }
        public List<Map<String, Integer>> getNested() { return nested; }
        public void setNested(List<Map<String, Integer>> v) { nested = v; }
        public String[] getWords() { return words; }
        public void setWords(String[] v) { words = v; }
        public byte[] getBytes() { return bytes; }
        public void setBytes(byte[] v) { bytes = v; }
        public Date getDate() { return date; }
        public void setDate(Date v) { date = v; }
        public LocalDate getDay() { return day; }
        public void setDay(LocalDate v) { day = v; }
        public String getaName() { return aName; }
        public void setaName(String v) { aName = v; }
        public char getLetter() { return letter; }
        public void setLetter(char v) { letter = v; }
        public Object getAny() { return any; }
        public void setAny(Object v) { any = v; }
        public String getURLOfIt() { return "u"; }
    }

    public All all(All a) {
        return a;
    }

    /** A map with nulls and keys that are no text. */
    public Map<Object, Object> map(List<Integer> list) {
        Map<Object, Object> out = new HashMap<>();
        out.put(1, list);
        out.put("none", null);
        out.put("deep", new TreeMap<>(Collections.singletonMap("x", Arrays.asList(1, null))));
        return out;
    }

    public record Point(int x, String label) { }

    /** A record is written; reading one fails. */
    public Point record(int n) {
        return new Point(n, "made");
    }

    public String noRecord(Point p) {
        return p.label();
    }
}
