"""Files of football-data.co.uk and nflverse in their documented columns, with a few games each."""

SEASON_FILE = (
    "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS,AS,HST,AST,B365H,B365D,B365A,AvgH,AvgD,AvgA,AHh,"
    "B365CH,B365CD,B365CA,AvgCH,AvgCD,AvgCA,AvgC>2.5,AvgC<2.5,AHCh\r\n"
    "E0,15/11/2026,15:00,Chelsea,Fulham,2,1,H,12,8,5,3,1.55,4.3,6.0,1.52,4.2,6.1,-1,"
    "1.5,4.4,6.5,1.5,4.3,6.4,1.7,2.2,-1.25\r\n"
)
COMING_FILE = (
    "\ufeffDiv,Date,Time,HomeTeam,AwayTeam,Referee,B365H,B365D,B365A,AvgH,AvgD,AvgA,AHh\r\n"
    "E0,21/11/2026,15:00,Arsenal,Everton,,1.3,5.5,9.5,1.31,5.4,9.4,-1.5\r\n"
    "E1,21/11/2026,15:00,Derby,Stoke,,2.3,3.2,3.2,2.31,3.2,3.2,-0.25\r\n"
    "SP1,21/11/2026,20:00,Betis,Getafe,,1.9,3.3,4.5,1.91,3.3,4.4,-0.5\r\n"
)
EXTRA_FILE = (
    "Country,League,Season,Date,Time,Home,Away,HG,AG,Res,PSCH,PSCD,PSCA,AvgCH,AvgCD,AvgCA\n"
    "USA,MLS,2025,25/10/2025,23:30,LA Galaxy,Inter Miami,1,1,D,2.4,3.6,2.7,2.4,3.5,2.7\n"
    "USA,MLS,2026,14/11/2026,23:30,LA Galaxy,Inter Miami,3,1,H,2.4,3.6,2.7,2.4,3.5,2.7\n"
)
EXTRA_COMING_FILE = (
    "Country,League,Date,Time,Home,Away,AvgH,AvgD,AvgA\n"
    "USA,MLS,22/11/2026,01:30,Inter Miami,LA Galaxy,1.8,3.9,4.0\n"
    "Brazil,Serie A,22/11/2026,01:30,Santos,Bahia,2.1,3.3,3.4\n"
)
NFL_FILE = (
    "game_id,season,game_type,week,gameday,weekday,gametime,away_team,away_score,home_team,home_score,location,"
    "away_moneyline,home_moneyline,spread_line,total_line,under_odds,over_odds\n"
    "2025_01_DET_KC,2025,REG,1,2025-09-04,Thursday,20:20,DET,21,KC,20,Home,164,-198,4,53,-110,-110\n"
    "2026_11_DET_KC,2026,REG,11,2026-11-15,Sunday,13:00,DET,21,KC,20,Home,164,-198,4,53,-110,-110\n"
    "2026_12_KC_BUF,2026,REG,12,2026-11-22,Sunday,13:00,KC,NA,BUF,NA,Home,120,-140,2.5,48.5,-110,-110\n"
    "2026_13_BUF_KC,2026,REG,13,2026-11-29,Sunday,13:00,BUF,NA,KC,NA,Home,NA,NA,NA,NA,NA,NA\n"
)
